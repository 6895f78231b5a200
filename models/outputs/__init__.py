"""What a trained model gives back.

interpolation   two ways from one code to another
"""

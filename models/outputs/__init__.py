"""What a trained model gives back: each function takes a run first, and is a method of it.

given           what it is given: images and classes, checked
sampling        samples
codes           encode, decode, reconstruct, and interpolate between codes
interpolation   two ways from one code to another
completion      images of which a part is missing; `masks` says which
likelihood      the score of each image, and its class by Bayes
image_files     images as PNG files, arrays and masks
"""

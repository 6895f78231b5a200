"""A run of training.

config             what it was asked for, and config.json
run                the model, its data and its optimisers in a directory, and the loop
picture_schedule   when it makes its pictures
log                metrics.jsonl and health.jsonl
health             the gradients and updates of each layer, and its dead units
locks              a directory is trained in by one process at a time
"""

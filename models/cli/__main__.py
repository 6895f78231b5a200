from models.cli import run

run()

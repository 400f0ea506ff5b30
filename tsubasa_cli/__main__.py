"""``python -m tsubasa_cli`` is ``tsubasa``."""

from tsubasa_cli.cli.main import run

run()

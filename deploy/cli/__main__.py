"""`python -m deploy.cli`: the command `pulssi` where its script is not on the PATH."""

from deploy.cli import main

main(prog_name="pulssi")

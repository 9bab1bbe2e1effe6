"""Runs Python with the arguments in a terminal of its own and passes its input and output through."""
import os, pty, sys

sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, *sys.argv[1:]])))

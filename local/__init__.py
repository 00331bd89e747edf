"""The local stack: the real template, deployed to an AWS emulator on one machine."""

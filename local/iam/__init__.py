"""IAM for one machine: which call a function may make, by the policy of its own role.

The emulator and the SES server refuse by it (``gate``), and the tests evaluate what the functions
call. It runs in the emulator's interpreter too, so that it imports the standard library only.
"""

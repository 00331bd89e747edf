"""What a month costs: ``make bill LIST=10000 ISSUES=4``.

Prices (``prices.json``) have a date and a source each. How many requests, calls and bytes one
sign-up or one mail causes (``counts.json``) was counted by a test that runs the functions in one
process: on the local stack, whose emulator polls its own queues in batches of at most ten, the
same would be counted otherwise each time, and not as on AWS. How many secrets, alarms and queues
there are is read from the template. What nobody can count beforehand, how many people come, is
assumed, said, and can be given.
"""

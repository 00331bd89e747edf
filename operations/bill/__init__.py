"""What a month costs: ``make bill LIST=10000 ISSUES=4``.

Prices (``prices.json``) have a date and a source each. How many requests, calls and bytes one
sign-up or one mail causes (``counts.json``) was counted by a test that runs the functions; how
many secrets, alarms and queues there are is read from the template. What nobody can count
beforehand, how many people come, is assumed, said, and can be given.
"""

"""What a month costs: ``make bill LIST=10000 ISSUES=4 REGION=eu-central-1``.

Prices (``prices.json``) have a date and a source each, and are known for the regions listed there.
A test counts how many requests, calls and bytes one sign-up or one mail causes (``counts.json``);
it runs the functions in one process. The local stack's emulator polls its queues in batches of at
most ten, unlike AWS, so that counts taken there would differ from AWS's and from run to run. How
many secrets, alarms, queues and firewall rules there are is read from the templates. What nobody
can count beforehand, such as how many people come, is assumed, printed, and can be set.
"""

"""What stands between a stack and sending, and how each of it is mended.

    python -m operations.doctor --stack STACK --list-size 10000

Reads only, with the operator's own credentials: CloudFormation, SES, SNS, SQS, CloudWatch, Lambda,
RDS and the names of the authors; DNS, as the world sees it; and the database, which it wakes, by
calling dispatch (``lambda:InvokeFunction``).
Ends with 0 when nothing is in the way, else with 1.
"""

"""What a stack still needs before it can send, with the fix for each.

Reads only, with the operator's own credentials: CloudFormation, SES, SNS, SQS, CloudWatch, Lambda,
RDS and the names of the authors; and DNS, as the world sees it. It wakes no database.
"""

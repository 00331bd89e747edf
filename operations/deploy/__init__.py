"""Deploys a newsletter to AWS.

    make deploy STACK=news

The first time it asks six questions, checks each answer, shows the bill, writes samconfig.toml,
deploys, and prints what is left to do today, tomorrow and in two days. Each question has a flag
that answers it (``ARGS="--help"``). Later it updates the stack, which keeps its parameters except
those that ``SET="Name=value"`` changes.

It reads the account and makes nothing itself: ``sam build`` and ``sam deploy`` make the stack.
"""

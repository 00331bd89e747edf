"""How fast mails may leave, as far as the account does not say it."""

# https://aws.amazon.com/ses/pricing/, à la carte, read 2026-11. Accounts that are new since July
# 2026 begin with a plan at 0.00016.
DOLLARS_A_MAIL = 0.0001
CONFIRMATION_HEADROOM = 0.02  # of the rate: left by the issues for confirmation mails
ISSUES_SHARE = 1 - CONFIRMATION_HEADROOM  # of the stack's part of the account's rate
SLOWDOWN = 0.7  # of the rate remains after SES has throttled
SLOWDOWN_RECOVERY = 1.1  # times the rate, at each refresh, until it is back

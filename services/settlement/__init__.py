"""Settlement: what comes into the venue and leaves it, and the list of assets.

Purpose     list assets; take deposits (a test venue's faucet); pay withdrawals that risk has debited, or send them back
Inputs      ListAsset, ContributeToFund (admin); FaucetDeposit, FrameSigned (gateway); WithdrawalRequested (risk)
Outputs     AssetListed to risk and funding; DepositCredited, WithdrawalPaid, WithdrawalReturned to risk; FundContributed to the
            insurance fund; CommandResolved, WithdrawalSettled to feed.settlement; Posted to its ledger
State       assets, custody per asset, transit books, commands seen
Invariants  custody >= 0; outside + transit sum to zero per asset (M-1); every command is resolved once
Source      M-1, M-7 (settlement pays out no more than custody holds)

Its `ledger` is a reader of every ledger topic, not a machine: see ledger/.
"""

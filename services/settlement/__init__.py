"""Settlement: what comes into the venue and leaves it, the list of assets, and the fee tiers.

Purpose     list assets; take deposits (a test venue's faucet); pay withdrawals that risk has debited, or send them back; set fee tiers
Inputs      ListAsset (admin); ContributeToFund, SetFeeSchedule, SetAccountTier (two admins); AdminFrameSigned (admin); FaucetDeposit,
            FrameSigned (gateway); WithdrawalRequested (risk)
Outputs     AssetListed to risk and funding; FeeScheduleSet, AccountTierSet, DepositCredited, WithdrawalPaid, WithdrawalReturned to
            risk; FundContributed to the insurance fund; CommandResolved, WithdrawalSettled and what was listed and set to
            feed.settlement; Posted to its ledger
State       assets, fee tiers, custody per asset, transit books, commands seen
Invariants  custody >= 0; outside + transit sum to zero per asset (M-1); fee tiers are ascending and pay no more than all of a fee;
            every command is resolved once
Source      M-1, M-7 (settlement pays out no more than custody holds)

Its `ledger` is a reader of every ledger topic, not a machine: see ledger/.
"""

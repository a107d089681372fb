"""Settlement: what comes into the venue and leaves it, the list of assets, tiers of fees and limits, and owners.

Purpose     list assets; take deposits (a test venue's faucet) up to what the venue takes of an asset; pay withdrawals that risk has
            debited, or send them back; set tiers of fees and limits; name owners of accounts; say what lending pools take
Inputs      ListAsset, SetPoolState (admin); ContributeToFund, SetFeeSchedule, SetAccountTier, SetLimitTiers, SetOwner (two admins);
            AdminFrameSigned (admin); FaucetDeposit, FrameSigned (gateway); WithdrawalRequested (risk)
Outputs     AssetListed to risk, funding and lending_pool; CollateralListed to the funding partition that makes an asset's price;
            PoolStateSet to lending_pool; FeeScheduleSet, AccountTierSet, LimitTiersSet, DepositCredited, WithdrawalPaid,
            WithdrawalReturned to risk; OwnerSet to matching; FundContributed to the insurance fund; CommandResolved,
            WithdrawalSettled and what was listed and set to feed.settlement; Posted to its ledger
State       assets, tiers, owners, states of pools, custody per asset, transit books, commands seen
Invariants  custody >= 0; outside + transit sum to zero per asset (M-1); no deposit takes custody past an asset's venue_max; tiers are
            ascending and pay no more than all of a fee; every command is resolved once
Source      M-1, M-7 (settlement pays out no more than custody holds)

Its `ledger` is a reader of every ledger topic, not a machine: see ledger/.
"""

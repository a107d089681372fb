"""Risk: accounts, keys, balances, positions, order holds, margin and the plain liquidation of a group of account slots.

Purpose     decide every client command by log time and own state; hold margin at admission, release it on the outcome; book fills,
            fees and funding; cancel what margin no longer bears, liquidate who is below maintenance margin
Inputs      commands of accounts, LeaseRenewed, FrameSigned (gateway); the market's stream (MarketListed, MarketChanged,
            MarketStateChanged, SettlementMarked, FundingStepped, MarketDelisted) and the answers to orders (matching); MarksUpdated
            (funding); assets, fees, DepositCredited, WithdrawalPaid, WithdrawalReturned (settlement); DeficitCovered,
            DeficitUncovered (insurance_fund)
Outputs     OrderAdmitted, ReplaceRequested, QuotesAdmitted, CancelRequested, CancelAllRequested to matching; WithdrawalRequested to
            settlement; FundContributed, DeficitReported to the insurance fund; Posted to its ledger; account and liquidation events
            to feeds
State       accounts with keys, rates and sessions; subaccounts (idle, exposures with their orders, unsettled debt), house books,
            commands, marks and market states seen, fee tiers
Invariants  books sum to zero per asset; hold = what open orders need, recomputed; one liquidation step in flight per subaccount
Source      M-1 to M-5 (full scan), M-7 (no open pool), M-12 steps 1, 2 and 4 in plain form, M-13; F-DX-5, F-DX-6, F-DX-12, F-DX-14
"""

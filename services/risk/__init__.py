"""Risk: accounts, balances, positions, order holds, margin and the plain liquidation of a group of account slots.

Purpose     decide every client command by log time and own state; hold margin at admission, release it on the outcome; book fills,
            fees and funding; liquidate who is below maintenance margin
Inputs      OpenAccount, PlaceOrder, CancelOrder, Withdraw, FrameSigned (gateway); MarketListed, SettlementMarked, FundingStepped and
            the answers to orders (matching); MarksUpdated (funding); AssetListed, DepositCredited, WithdrawalPaid,
            WithdrawalReturned (settlement); DeficitCovered, DeficitUncovered (insurance_fund)
Outputs     OrderAdmitted, CancelRequested, CancelAllRequested to matching; WithdrawalRequested to settlement; FundContributed,
            DeficitReported to the insurance fund; Posted to its ledger; account and liquidation events to feeds
State       accounts and keys, subaccounts (idle, exposures with their orders, unsettled debt), house books, commands, marks seen
Invariants  books sum to zero per asset; hold = what open orders need, recomputed; one liquidation step in flight per subaccount
Source      M-1 to M-4, M-7 (no open pool), M-12 steps 2 and 4 in plain form, M-13; F-DX-5, F-DX-6, F-DX-12, F-DX-14
"""

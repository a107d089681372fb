"""Risk: accounts, keys, balances, positions, order holds, margin, what waits for a price, and the plain liquidation, of a group of slots.

Purpose     decide every client command by log time and own state; judge each subaccount over all its assets; hold margin at admission,
            release it on the outcome; book fills, fees, funding, settlements and ends of markets; send what has waited for a price or
            a time; cancel what margin no longer bears, liquidate who is below maintenance margin
Inputs      commands of accounts, LeaseRenewed, FrameSigned (gateway); the market's stream (MarketListed, MarketChanged,
            MarketStateChanged, SettlementMarked, FundingStepped, MarketSettled, MarketDelisted), BookSampled and the answers to orders
            (matching); MarksUpdated with collateral prices (funding); assets, fees, limits, DepositCredited, WithdrawalPaid,
            WithdrawalReturned (settlement); DeficitCovered, DeficitUncovered (insurance_fund)
Outputs     OrderAdmitted, ReplaceRequested, QuotesAdmitted, CancelRequested, CancelAllRequested to matching; WithdrawalRequested to
            settlement; FundContributed, DeficitReported to the insurance fund; Posted to its ledger; account, trigger and liquidation
            events to feeds
State       accounts with keys, rates and sessions; subaccounts (idle, exposures with their orders, triggers, a box, unsettled debt),
            house books, commands; marks, collateral prices and market states seen; wires by series, who is touched and queued; what each
            market has settled and paid, and whom that still has to reach; fee and limit tiers
Invariants  books sum to zero per asset; hold = what open orders need, recomputed; one liquidation step in flight per subaccount; who is
            neither touched nor due stays so while its prices keep to its box
Source      M-1 to M-5, M-7 (no open pool), M-11 in thin form, M-12 steps 1, 2, 3 and 4 in plain form, M-13; F-1.*, F-2.5 to F-2.12, F-3.*,
            F-4.1 to F-4.3, F-5.1 to F-5.3, F-DX-2 to F-DX-6, F-DX-12, F-DX-14
"""

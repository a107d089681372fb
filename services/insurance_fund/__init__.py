"""Insurance fund: what a liquidation leaves above its bankruptcy value goes here, what it lacks is paid from here.

Purpose     keep one balance per (market group, asset), never below zero, never lent (M-12)
Inputs      FundContributed from risk and settlement, DeficitReported from risk
Outputs     DeficitCovered and DeficitUncovered to risk, Posted to its ledger, FundChanged to feed.fund
State       balances; transit to and from the other machines
Invariants  balance >= 0; every deficit is answered in full, covered or uncovered; books sum to zero (M-1)
Source      M-12 step 6, M-13; F-DX-14
"""

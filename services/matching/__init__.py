"""Matching: the order books of a group of markets; every change of a position is a trade sequenced here.

Purpose     price-time priority; the band round the mark at entry and at the fill; reduce-only exactly at the match
Inputs      MarketListed, SettlementMarked, FundingStepped (the market's stream, passed on to every risk shard), MarksUpdated from
            funding; OrderAdmitted, CancelRequested, CancelAllRequested from risk
Outputs     OrderFilled, OrderRested, OrderCancelled, CancelRefused, AllCancelled to risk; BookSampled to funding;
            TradeExecuted, BookChanged to feeds
State       per market the book, `size_seen` of every subaccount, the mark seen, counters of orders and trades
Invariants  books never crossed; sum of sizes seen = 0; filled + open + cancelled = placed
Source      DESIGN.md 1.6 and 2, M-4, F-2.9
"""

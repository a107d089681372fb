"""Matching: the order books of a group of markets; every change of a position is a trade sequenced here.

Purpose     price-time priority; every kind of order, replace and mass quote; bands at entry and at the fill; reduce-only and the open
            interest exactly at the match; market states, call auctions, the end of a market
Inputs      MarketListed, MarketChanged, MarketStateSet, MarketDelisted, SettlementMarked, FundingStepped (the market's stream, passed
            on to every risk shard), MarksUpdated from funding; OrderAdmitted, ReplaceRequested, QuotesAdmitted, CancelRequested,
            CancelAllRequested from risk
Outputs     OrderFilled, OrderRested, OrderReplaced, ReplaceRefused, OrderReduced, OrderCancelled, CancelRefused, AllCancelled,
            QuotesAnswered, MarketStateChanged to risk; BookSampled to funding; TradeExecuted, BookChanged to feeds
State       per market the book, `size_seen` of every subaccount, the mark seen and its limits, the state, counters of orders, trades
            and book updates; timers of orders and auctions that end
Invariants  books never crossed outside an auction; sum of sizes seen = 0; filled + open + cancelled = placed; resting reduce-only
            orders within the position they reduce
Source      DESIGN.md 1.6 and 2, M-4, F-2.9, F-5.14, F-HL-3, TV-5.18, TV-5.19
"""

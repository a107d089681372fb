"""Matching: the order books of a group of markets; every change of a position is a trade sequenced here.

Purpose     price-time priority; every kind of order, icebergs, replace and mass quote; bands and price limits at entry and at the fill;
            reduce-only, the open interest and what one owner holds exactly at the match; market-maker protection; market states, call
            auctions, the end of a market
Inputs      MarketListed, MarketChanged, MarketStateSet, MarketDelisted, SettlementMarked, MarketSettled, FundingStepped (the market's
            stream, passed on to every risk shard), MarksUpdated from funding; OwnerSet from settlement; OrderAdmitted,
            ReplaceRequested, QuotesAdmitted, ProtectionSet, CancelRequested, CancelAllRequested from risk
Outputs     OrderFilled, OrderRested, OrderReplaced, ReplaceRefused, OrderReduced, OrderCancelled, CancelRefused, AllCancelled,
            QuotesAnswered, ProtectionTripped, MarketStateChanged to risk; BookSampled to funding; TradeExecuted, BookChanged to feeds
State       per market the book, `size_seen` of every subaccount, the mark seen and its limits, the state, protections, sums by owner,
            counters of orders, trades and book updates; who owns an account; books that are being cancelled in slices; timers of orders
            and auctions that end
Invariants  books never crossed outside an auction; sum of sizes seen = 0; filled + open + cancelled = placed; resting reduce-only
            orders within the position they reduce; an owner holds what its accounts hold; a record cancels at most 200 orders of a book
            that ends
Source      DESIGN.md 1.6 and 2, M-2, M-4, F-1.6, F-2.9, F-3.12, F-5.14, F-HL-3, TV-1.7, TV-3.15, TV-5.18, TV-5.19
"""

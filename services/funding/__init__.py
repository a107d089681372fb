"""Funding: index, mark, funding steps, pulses, settlements and ends of markets, and prices of collateral; market streams begin here.

Purpose     turn the sources' prices into an index, a mark and a price of collateral; send funding steps, pulses, settlements and ends,
            each exact and once, down the market's stream; list futures by a calendar
Inputs      PriceObserved (oracle); BookSampled (matching); AssetListed, CollateralListed (settlement); ListMarket, ListCalendar,
            ChangeMarket, SetMarketState, DelistMarket and the AdminFrameSigned that brought them (admins)
Outputs     MarketListed, SettlementMarked, FundingStepped, MarketSettled, MarketChanged, MarketStateSet, MarketDelisted to matching, which
            passes them on; MarksUpdated to matching and risk; CommandResolved and all of these but MarketStateSet to feed.markets
State       last price of each source and what is wrong with it; per market the mark, samples of premium and basis, remainder of the last
            step, what the next settlement will be priced by, number of the last pulse and slow averages of the mark; prices of collateral;
            calendars; changes and ends to come
Invariants  a mark comes only from enough fresh sources that agree and stays within half the band of the index, but for what a mean has
            fixed already of the price at which a future will end; the remainder is less than one unit; a change or an end takes effect
            at its time, however late its timer fires; nothing is settled without a price made for it; pulses are numbered without a gap
            and go at a fresh mark; most of the sources of a collateral price must move before it does
Source      DESIGN.md 1.6 and 3; M-3, M-6; a.4 of reliability; F-1.2, F-1.3, F-1.5; F-2.3, F-2.8 to F-2.10, scaled to the
            interval; F-HL-5, F-HL-6
"""

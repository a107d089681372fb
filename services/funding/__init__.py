"""Funding: index, mark, premium and funding steps of a group of markets; where a market's stream begins, changes and ends.

Purpose     turn the sources' prices into an index and a mark; every interval send one exact funding step down the market's stream
Inputs      PriceObserved (oracle); BookSampled (matching); AssetListed (settlement); ListMarket, ChangeMarket, SetMarketState,
            DelistMarket and the AdminFrameSigned that brought them (admins)
Outputs     MarketListed, SettlementMarked, FundingStepped, MarketChanged, MarketStateSet, MarketDelisted to matching, which passes
            them on; MarksUpdated to matching and risk; CommandResolved and all of these but MarketStateSet to feed.markets
State       last price of each source and what is wrong with it; per market the mark, samples of premium and basis, remainder of the
            last step; changes and ends to come
Invariants  a mark comes only from enough fresh sources that agree and stays within half the band of the index; the remainder is less
            than one unit; a change or an end takes effect at its time, however late its timer fires
Source      DESIGN.md 1.6 and 3; F-2.3, F-2.8 to F-2.10, scaled to the interval; F-HL-5, F-HL-6
"""

"""Funding: index, mark, premium and funding steps of a group of markets; where a market's stream begins.

Purpose     turn the sources' prices into an index and a mark; every interval send one exact funding step down the market's stream
Inputs      ListMarket (admin); AssetListed (settlement); PriceObserved (oracle); BookSampled (matching)
Outputs     MarketListed, SettlementMarked, FundingStepped to matching, which passes them on; MarksUpdated to matching and risk;
            CommandResolved and all of these to feed.markets
State       last price of each source, per market the mark, samples of premium and basis, remainder of the last step
Invariants  a mark comes only from fresh prices and stays within the band round the index; the remainder is less than one unit
Source      DESIGN.md 1.6 and 3; F-2.8 to F-2.10, scaled to the interval
"""

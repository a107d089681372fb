"""Lending pools: what is supplied and owed of each asset, at which indices and rates, and how much cash each shard may let go.

Purpose     add up what the shards report at the end of a period, let losses be borne, take the reserve's part, open the next period with
            its indices and a credit line for each shard (M-9, M-10); say where the pool stands on the ladder of stress and when it
            would be fully used
Inputs      AssetListed, PoolStateSet (settlement); PoolDelta of every shard (risk); FundChanged (insurance_fund)
Outputs     PeriodOpened to each shard; PoolUpdated, PoolStressed, LossBorne to feed.pool
State       per asset: terms, indices, reserve, what is kept back, losses borne, reports of the open period, lines given and used, stress,
            a day of openings; assets and funds seen
Invariants  burn <= supply <= mint index; the supply index falls at most to the burn index of the period before; claims and reserve are
            covered by cash, debt and losses not yet borne; lines <= cash and clearing, and keep below the throttle. It posts nothing:
            the reserve is a claim like a supplier's, and its cash, like all of the pool's, is in the books of the shards
Source      M-9, M-10, M-11 (groups that are short), M-13; F-5.7 to F-5.9, F-LP-1, F-LP-3, F-LP-4, F-LP-6
"""

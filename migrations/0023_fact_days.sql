-- Indexes by time and number: what of a stretch of time has one number. `id >> 51` is a stretch of 2^29 milliseconds, some six days.
-- What is written goes to the end of such an index however large it is, and a look-up over 13 months reads it at some sixty
-- places. An index of domains holds what those before it do not: the planner asks for all of them (src/query/plan.rs).

CREATE INDEX fact_from_dom ON fact ((id >> 51), from_dom_k) WHERE from_dom_k IS NOT NULL;
CREATE INDEX fact_author_dom ON fact ((id >> 51), author_dom_k)
    WHERE author_dom_k IS NOT NULL AND (from_dom_k IS NULL OR author_dom_k <> from_dom_k);
CREATE INDEX fact_dkim_dom ON fact ((id >> 51), dkim_dom_k)
    WHERE dkim_dom_k IS NOT NULL AND (from_dom_k IS NULL OR dkim_dom_k <> from_dom_k);
CREATE INDEX fact_peer_dom ON fact ((id >> 51), peer_dom_k)
    WHERE peer_dom_k IS NOT NULL AND (from_dom_k IS NULL OR peer_dom_k <> from_dom_k);
CREATE INDEX fact_mailer ON fact ((id >> 51), mailer_k) WHERE mailer_k IS NOT NULL;
CREATE INDEX fact_origin ON fact ((id >> 51), origin_k) WHERE origin_k IS NOT NULL;
CREATE INDEX fact_answers ON fact ((id >> 51), answers_k) WHERE answers_k IS NOT NULL;
CREATE INDEX fact_asn ON fact ((id >> 51), asn) WHERE asn IS NOT NULL;
CREATE INDEX fact_country ON fact ((id >> 51), country) WHERE country <> 'JP';
CREATE INDEX fact_country2 ON fact ((id >> 51), country2) WHERE country2 IS NOT NULL;
CREATE INDEX fact_origin_country ON fact ((id >> 51), origin_country) WHERE origin_country <> 'JP';

"""Graph: what texts say as names and relations: spans by rules, triples by patterns, one node per name, with the evidence of every edge."""

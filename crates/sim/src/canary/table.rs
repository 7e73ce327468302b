//! Which canary holds which rule.

//! Hostile documents: whatever comes, there is an answer within the limits.

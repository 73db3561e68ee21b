package arm

// PageBytes is the estimated maximum size of the entries of one page of a list. A page has at least one entry,
// even if that is larger. A client's page size limits the number of entries in addition.
const PageBytes = 1 << 20

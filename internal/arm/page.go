package arm

// PageBytes is how many bytes the entries of one page of a list have at most, by estimate; an entry that
// is larger alone is a page of its own. A client's page size bounds the number of entries besides.
const PageBytes = 1 << 20

package condition

// What parts of a condition take in memory, about, in bytes.
const (
	expressionBytes = 400
	tokenBytes      = 32
	valueBytes      = 56
	textBytes       = 16 // without the text
)

// Size estimates the memory of the condition in bytes, for caches. A set of short values takes more than forty times the
// memory of its text.
func (c *Condition) Size() int { return c.root.size() }

func (x *expression) size() int {
	n := expressionBytes + sizeOf(x.tokens) + x.left.size() + x.right.size() + 4*textBytes*len(x.patterns)
	for i := range x.operands {
		n += x.operands[i].size()
	}
	return n
}

// size is the memory that an operand refers to.
func (o *Operand) size() int {
	n := len(o.name) + len(o.key) + sizeOf(o.tokens) + valueBytes*cap(o.values)
	for _, pattern := range o.patterns {
		for _, p := range pattern {
			n += tokenBytes + textBytes*cap(p.texts)
		}
	}
	return n
}

// sizeOf is the memory of tokens, and of the copies of their texts that values and patterns have.
func sizeOf(tokens []token) int {
	n := tokenBytes * cap(tokens)
	for _, t := range tokens {
		n += 2 * len(t.text)
	}
	return n
}

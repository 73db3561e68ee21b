package resource

import (
	"cmp"
	"maps"
	"slices"

	"midas/internal/arm"
)

// TagName is a tag name of a subscription: one that a resource uses, or a predefined one.
type TagName struct {
	Name   string
	Count  int // the resources that use the name
	Values []TagValue
}

// TagValue is a value of a tag name.
type TagValue struct {
	Value string
	Count int // the resources that use the value with the name
}

// tagCounter counts the tags of a subscription and collects one page of their names, in the order of their folded
// form. It stores at most limit names and about arm.PageBytes of names and values, whatever the
// number of resources. If the values of a single name are larger, it lists only a part of them.
type tagCounter struct {
	only  string // if set, the only folded name to count
	after string // names up to this folded name are on earlier pages
	limit int

	ceiling string // names from this folded one on are on later pages; empty while all names fit
	names   map[string]*countedName
	order   []string // the keys of names, sorted
	size    int
}

// countedName is a TagName while it is counted.
type countedName struct {
	name   string
	count  int
	values map[string]int
	size   int
}

// perEntry is the estimated size of an entry in an answer, in bytes, without its name and value.
const perEntry = 200

// add counts the tags of one resource.
func (c *tagCounter) add(tags map[string]string) {
	for name, value := range tags {
		if counted := c.name(name); counted != nil {
			counted.count++
			c.value(counted, value, 1)
		}
	}
}

// addPredefined adds a predefined name and its values, which no resource need use.
func (c *tagCounter) addPredefined(tag PredefinedTag) {
	counted := c.name(tag.Name)
	for i := 0; counted != nil && i < len(tag.Values); i++ {
		c.value(counted, tag.Values[i], 0)
	}
}

// name returns the entry of a name, or nil if the name is not on the page.
func (c *tagCounter) name(name string) *countedName {
	key := arm.Fold(name)
	if c.only != "" && key != c.only || key <= c.after || c.ceiling != "" && key >= c.ceiling {
		return nil
	}
	if counted := c.names[key]; counted != nil {
		return counted
	}
	at, _ := slices.BinarySearch(c.order, key)
	c.order = slices.Insert(c.order, at, key)
	counted := &countedName{name: name, values: map[string]int{}}
	c.names[key] = counted
	c.grow(counted, perEntry+len(name))
	return c.names[key]
}

// value adds n to the count of a value, and lists the value unless it no longer fits.
func (c *tagCounter) value(counted *countedName, value string, n int) {
	if _, listed := counted.values[value]; !listed {
		if counted.size > arm.PageBytes {
			return
		}
		c.grow(counted, perEntry+2*len(value)+len(counted.name)) // the id of the value repeats the name and the value
	}
	counted.values[value] += n
}

// grow adds to the size of an entry and moves the last names to the next page while the page is too large.
func (c *tagCounter) grow(counted *countedName, size int) {
	counted.size += size
	c.size += size
	for len(c.order) > 1 && (len(c.order) > c.limit || c.size > arm.PageBytes) {
		last := c.order[len(c.order)-1]
		c.size -= c.names[last].size
		delete(c.names, last)
		c.order, c.ceiling = c.order[:len(c.order)-1], last
	}
}

// page returns the names, and the position of the next page; it is empty if there is none.
func (c *tagCounter) page() (names []TagName, next string) {
	for _, key := range c.order {
		counted := c.names[key]
		tag := TagName{Name: counted.name, Count: counted.count, Values: []TagValue{}}
		for _, value := range slices.SortedFunc(maps.Keys(counted.values), cmp.Compare[string]) {
			tag.Values = append(tag.Values, TagValue{Value: value, Count: counted.values[value]})
		}
		names = append(names, tag)
	}
	if c.ceiling != "" && len(c.order) > 0 {
		next = c.order[len(c.order)-1]
	}
	return names, next
}

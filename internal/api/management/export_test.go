package management

// Surface is the operation table, for tests that go through all of it.
func (h *Handler) Surface() []Operation { return h.table.operations }

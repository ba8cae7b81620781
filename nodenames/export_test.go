package nodenames

// SetMaxAnswer makes answers that are too long cheap.
func (e *EC2) SetMaxAnswer(bytes int) { e.maxAnswer = bytes }

package symptom_test

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/doctor/symptom"
)

func BenchmarkRecognise(b *testing.B) {
	text := wordings(b)[1].text
	full := strings.Repeat(text+"\n", symptom.MaxText/len(text))
	b.Run("one message", func(b *testing.B) {
		for b.Loop() {
			symptom.Recognise(text)
		}
	})
	b.Run("64 KiB", func(b *testing.B) {
		for b.Loop() {
			symptom.Recognise(full)
		}
	})
}

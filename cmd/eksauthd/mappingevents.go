package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/kube"
)

// mappingEvents writes Kubernetes Events about what is wrong with aws-auth, for
// whoever looks at the ConfigMap after an edit.
type mappingEvents struct {
	events *kube.Events
	scrub  scrubber
	grace  time.Duration
}

// note is told of every change of a source. A nil one writes nothing.
func (m *mappingEvents) note(s awsauth.SourceState) {
	if m == nil || s.Name != awsauth.EKSConfigMap {
		return
	}
	if reason, message := m.about(s); reason != "" {
		m.events.Warn(kube.Object{Kind: "ConfigMap", Namespace: kube.Namespace, Name: kube.Name}, reason, message)
	}
}

// about is one event for one state; none if all is well.
func (m *mappingEvents) about(s awsauth.SourceState) (reason, message string) {
	switch {
	case (s.Missing || s.Silent) && s.Entries > 0:
		return "MappingsGone", fmt.Sprintf("the last %d mappings stay in use%s", s.Entries, until(s, m.grace))
	case s.Missing || s.Silent:
		return "NoMappings", "nobody is mapped by aws-auth"
	}
	var errors []string
	for _, f := range s.Faults {
		if f.Severity != awsauth.Error {
			continue
		}
		text := where(f) + f.Message + consequence(f, s)
		if f.Hint != "" {
			text += "; " + f.Hint
		}
		errors = append(errors, m.scrub.text(text))
	}
	if len(errors) == 0 {
		return "", ""
	}
	return "MappingsFaulty", strings.Join(errors, "\n")
}

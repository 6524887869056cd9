package hosts

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"rapport/knock"
	"rapport/knock/phrase"
)

// CheckTags reports a tag that could not be typed after an @: a tag is a word of at most
// 64 bytes.
func CheckTags(tags []string) error {
	for _, t := range tags {
		bad := func(c rune) bool { return !unicode.IsPrint(c) || unicode.IsSpace(c) || c == '@' || c == ',' }
		if t == "" || len(t) > 64 || strings.ContainsFunc(t, bad) {
			return fmt.Errorf("tag %s is not a word of at most 64 bytes without spaces, commas and @", knock.Quote(t))
		}
	}
	return nil
}

// Tags returns the tags of all hosts, each once, as arguments of commands: @web.
func (f File) Tags() (all []string) {
	for _, h := range f.hosts {
		for _, t := range h.Tags {
			if t = "@" + strings.ToLower(t); !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// Names returns the names that arguments mean, each once, in their order: @TAG means all
// hosts with that tag, in any case, and all means every host of the file.
func (f File) Names(args []string, all bool) ([]string, error) {
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	for _, arg := range args {
		tag, isTag := strings.CutPrefix(arg, "@")
		if !isTag {
			add(arg)
			continue
		}
		if tag == "" {
			return nil, errors.New("there is no tag after the @: give one of rapport hosts show NAME, such as @web")
		}
		found := false
		for _, h := range f.hosts {
			if slices.ContainsFunc(h.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
				found = true
				add(h.Name)
			}
		}
		if !found {
			return nil, fmt.Errorf("no host has the tag %s: rapport hosts edit NAME --tags %s gives it one", knock.Quote(tag), phrase.ShellWord(tag))
		}
	}
	if all {
		for _, h := range f.hosts {
			add(h.Name)
		}
		if len(names) == 0 {
			return nil, errors.New("there are no hosts in the hosts file: rapport hosts add NAME adds one")
		}
	}
	return names, nil
}

package sshconfig

import (
	"cmp"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"

	"rapport/knock"
)

// match evaluates a Match line, as far as possible without running anything.
func (c *reader) match(words []string) (block, error) {
	result := block{holds: yes}
	var named bool
	for i, before := 0, 0; i < len(words); i, before = i+1, before+1 {
		criterion, negated := strings.CutPrefix(strings.ToLower(words[i]), "!")
		if criterion == "all" {
			if before > 1 || i+1 < len(words) { // ssh allows it after one other
				return block{}, errors.New("all stands alone in a Match line")
			}
			if negated {
				result.holds = no
			}
			break
		}
		if criterion == "final" || criterion == "canonical" {
			c.wantsFinal = c.wantsFinal || criterion == "final"
			if c.final == negated {
				result.holds = no
			}
			continue
		}
		if i++; i == len(words) || words[i] == "" {
			return block{}, fmt.Errorf("criterion %s has no value", knock.Quote(criterion))
		}
		met, err := c.criterion(criterion, words[i])
		if err != nil {
			return block{}, err
		}
		switch {
		case met == perhaps:
			result.why = "which rapport cannot evaluate: Match " + knock.Excerpt(criterion)
		case (met == yes) == negated:
			result.holds = no
		case !negated && (criterion == "host" || criterion == "originalhost"):
			named = named || slices.ContainsFunc(strings.Split(words[i], ","), func(p string) bool {
				return !strings.HasPrefix(p, "!") && strings.Trim(p, "*?") != ""
			})
		}
	}
	if len(words) == 0 {
		return block{}, errors.New("a Match line has no criterion")
	}
	if result.holds == yes && result.why != "" {
		result.holds = perhaps
	}
	c.known = c.known || named && result.holds == yes
	return result, nil
}

func (c *reader) criterion(name, value string) (certainty, error) {
	if len(value) > maxPattern {
		return no, errors.New("a pattern is too long")
	}
	if name == "host" && c.unsure["hostname"] || name == "user" && c.unsure["user"] {
		return perhaps, nil
	}
	subject, fold := "", false
	switch name {
	case "host": // the HostName so far, if any
		fold = true
		var err error
		if subject, err = c.target(c.host); err != nil {
			return no, err
		}
	case "originalhost":
		subject, fold = c.name, true
	case "user", "localuser":
		u, err := user.Current()
		if err != nil {
			return no, fmt.Errorf("cannot find the current user: %s", knock.Excerpt(err.Error()))
		}
		if subject = u.Username; name == "user" {
			subject = cmp.Or(c.user, subject) // the one that ssh logs in as, as far as the lines so far say
		}
	default:
		return perhaps, nil
	}
	if matchList(subject, value, fold) {
		return yes, nil
	}
	return no, nil
}

// matchList reports whether a list of patterns matches s. A pattern with '!' that
// matches makes it false. fold ignores case.
func matchList(s, list string, fold bool) bool {
	if fold {
		s, list = strings.ToLower(s), strings.ToLower(list)
	}
	matched := false
	for _, p := range strings.Split(list, ",") {
		pattern, negated := strings.CutPrefix(p, "!")
		if !matchPattern(s, pattern) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// matchPattern matches all of s: '*' is any text, '?' any byte.
func matchPattern(s, pattern string) bool {
	star, resume := -1, 0 // the last '*', and where in s the rest was tried
	i, j := 0, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, resume = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			resume++
			i, j = resume, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}

// splitMatch splits a Match line into words, without its keyword: at white space or
// one equals sign, with double quotes around whole words, up to a comment.
func splitMatch(line string) []string {
	const space = " \t\r\n"
	line = strings.TrimLeft(strings.TrimRight(line, space+"\f"), space)
	var words []string
	for line != "" {
		var word string
		if rest, quoted := strings.CutPrefix(line, `"`); quoted {
			var closed bool
			if word, line, closed = strings.Cut(rest, `"`); !closed {
				break
			}
			line = strings.TrimLeft(line, space)
		} else {
			end := strings.IndexAny(line+" ", space+"=")
			word, line = line[:end], strings.TrimLeft(line[end:], space)
			line = strings.TrimLeft(strings.TrimPrefix(line, "="), space)
		}
		if strings.HasPrefix(word, "#") {
			break
		}
		words = append(words, word)
	}
	return words[min(1, len(words)):]
}

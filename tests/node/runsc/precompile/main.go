// precompile writes the file of gVisor's source that holds the system call filters of its own processes, computed: what
// gVisor's own releases have in it, and its Go module has not. Without it every start of a sandbox computes them, which takes
// longer than the rest of it.
//
//	precompile SOURCE >NEW     SOURCE: runsc/boot/filter/filter_precompiled.go
package main

import (
	"fmt"
	"os"
	"strings"

	"gvisor.dev/gvisor/runsc/boot/filter/config"
)

const marker = "\tprecompiledPrograms = programs\n"

func fail(what any) {
	fmt.Fprintln(os.Stderr, "precompile:", what)
	os.Exit(1)
}

func main() {
	source, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	if strings.Count(string(source), marker) != 1 {
		fail("the source is not as this program knows it")
	}
	programs, err := config.PrecompiledPrograms()
	if err != nil {
		fail(err)
	}
	var lines strings.Builder
	for _, program := range programs {
		lines.WriteString(program.Registration("\t", "precompiledseccomp", "programs"))
	}
	fmt.Print(strings.Replace(string(source), marker, lines.String()+marker, 1))
}

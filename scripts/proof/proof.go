// Package proof holds tests that hold the engine against recorded real data: every record of a tree of
// real advisories, version pairs judged by the reference tools, and package lists whose findings are
// known from another method. It has no code of its own.
//
// The data is not part of the project. SKERRY_SHARED names the folder that has it in data/ (default:
// "shared" beside the repository); without it the tests skip and say so.
package proof

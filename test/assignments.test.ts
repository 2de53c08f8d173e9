import { describe, expect, test } from "bun:test";
import { addAssignments } from "../src/cli/assignments.ts";

describe("addAssignments()", () => {
  test.each<[string[], string[], string[]]>([
    [["READY=1"], ["A=1", "B=2"], ["READY=1", "A=1", "B=2"]],
    [["READY=1"], ["A=1", "READY=0", "B=2"], ["READY=0", "A=1", "B=2"]],
    [[], ["A=1", "B=x", "A=2", "C=y", "A=3"], ["A=3", "B=x", "C=y"]],
    [[], ["foo", "foo"], ["foo"]],
    [[], ["foo=1", "foo"], ["foo"]],
    [[], ["foo", "foo=1"], ["foo", "foo=1"]],
    [[], ["AB=1", "A"], ["A"]],
    [[], ["A=1", "AB"], ["A=1", "AB"]],
    [["READY=1"], ["READY"], ["READY"]],
    [["READY=1"], ["A=1", ""], ["", "A=1"]],
    [[], ["A=1", "", "B=2"], ["", "B=2"]],
    [[], ["", ""], [""]],
    [[], ["A=1", "A", "A=2"], ["A", "A=2"]],
    [[], ["A", "A=1", "A", "A=2"], ["A", "A=2"]],
    [[], ["AB=1", "A", "AB=2", "AB=3"], ["A", "AB=3"]],
    [[], ["=1", "=2"], ["=2"]],
    [[], ["A=1\nB=2", "B=3", "A=4"], ["A=4", "B=3"]],
  ])("%j with %j is %j", (fields, args, merged) => {
    expect(addAssignments(fields, args)).toEqual(merged);
  });

  test("does what a search from the start does, for any arguments", () => {
    const letters = ["", "A", "B", "=", "A=", "AB", "AB=", "=1", "x"];
    let seed = 1;
    const random = (n: number) => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % n;
    };
    for (let round = 0; round < 5000; round++) {
      const args = Array.from({ length: random(7) }, () => (letters[random(9)] ?? "") + (letters[random(9)] ?? ""));
      const merged: string[] = [];
      for (const arg of args) {
        const equals = arg.indexOf("=");
        const prefix = equals === -1 ? arg : arg.slice(0, equals + 1);
        const place = merged.findIndex((field) => field.startsWith(prefix));
        if (place === -1) merged.push(arg);
        else merged[place] = arg;
      }
      expect({ args, merged: addAssignments([], args) }).toEqual({ args, merged });
    }
  });

  test("takes as many arguments as the kernel lets through", () => {
    const args = Array.from({ length: 200_000 }, (_, i) => `K${i}=1`);
    expect(addAssignments([], [...args, "K7=2"])).toHaveLength(200_000);
  });
});

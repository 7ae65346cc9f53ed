// SPDX-License-Identifier: MIT

import PageLifecycle

extension Race {
  private static func sharing(blocks: UInt8) -> Boot {
    var boot = Boot(files: 2, filePages: 1, devicePages: blocks)
    boot.reflink = 1
    return boot
  }
  /// One block with a byte in it, which both files have.
  private static let shared = [
    "cpu0  store(mm0, file0:0, 7)", "cpu0  reflink(file0:0, file1:0)",
  ]

  /// Files that share a block.
  static let sharing: [Race] = [
    Race(
      name: "a load against a load of the other file",
      boot: sharing(blocks: 1), setup: shared,
      calls: [["load(mm0, file0:0)"], ["load(mm0, file1:0)"]],
      rules: [.countsPreviousOwner]),
    Race(
      name: "a load against a load of the other file, with a third entry",
      boot: {
        var boot = sharing(blocks: 1)
        boot.filePages = 2
        return boot
      }(),
      setup: shared + ["cpu0  reflink(file0:0, file1:1)", "cpu0  load(mm0, file1:1)"],
      calls: [["load(mm0, file0:0)"], ["load(mm0, file1:0)"]],
      rules: [.countsSharesAtomically]),
    Race(
      name: "a load against a store to the other file",
      boot: sharing(blocks: 2), setup: shared,
      calls: [["load(mm0, file0:0)"], ["store(mm0, file1:0, 2)"]],
      rules: []),
    // Met once in 32.9 million programs: the shrinker must not see what munmap() is about to drop.
    Race(
      name: "the last munmap of an unlinked file against a reclaim by who holds its block's page",
      boot: sharing(blocks: 2),
      setup: [
        "cpu0  pwrite(file0:0, 1)", "cpu0  reflink(file0:0, file1:0)",
        "cpu0  h1 = gup(mm0, file1:0)", "cpu0  dax_fault(mm0, file1:0, write)",
        "cpu0  close(file0)", "cpu0  unlink(file0)",
      ],
      calls: [["munmap(mm0, file0:0)"], ["reclaim(h1, file0)"]],
      rules: []),
    Race(
      name: "a store against a pwrite of one page",
      boot: sharing(blocks: 2), setup: shared + ["cpu0  load(mm0, file0:0)"],
      calls: [["store(mm0, file0:0, 2)"], ["pwrite(file0:0, 3)"]],
      rules: []),
    Race(
      name: "a store against a store to the other file, with one block left",
      boot: sharing(blocks: 2), setup: shared,
      calls: [["store(mm0, file0:0, 2)"], ["store(mm0, file1:0, 3)"]],
      rules: []),
    Race(
      name: "punch against punch of the other file",
      boot: sharing(blocks: 1),
      setup: shared + ["cpu0  load(mm0, file0:0)", "cpu0  load(mm0, file1:0)"],
      calls: [["punch_hole(file0:0)"], ["punch_hole(file1:0)"]],
      rules: [.keepsShareUntilLast]),
    Race(
      name: "a put against who frees the block after it was copied",
      boot: sharing(blocks: 2),
      setup: shared + ["cpu0  h0 = gup(mm0, file0:0)", "cpu0  pwrite(file0:0, 9)"],
      calls: [["put_page(h0)"], ["punch_hole(file1:0)"]],
      rules: [.freesOnlyIdleBlocks]),
    Race(
      name: "reflink against reflink back",
      boot: sharing(blocks: 2),
      setup: ["cpu0  store(mm0, file0:0, 7)", "cpu0  store(mm0, file1:0, 8)"],
      calls: [["reflink(file0:0, file1:0)"], ["reflink(file1:0, file0:0)"]],
      rules: [.locksInodesInOrder]),
    Race(
      name: "reflink against a pin of the other file",
      boot: sharing(blocks: 2),
      setup: ["cpu0  store(mm0, file0:0, 7)", "cpu0  store(mm0, file1:0, 8)"],
      calls: [
        ["reflink(file0:0, file1:0)"],
        ["h0 = pin_user_pages(mm0, file1:0, write)", "unpin_user_pages(h0)"],
      ],
      rules: []),
  ]
}

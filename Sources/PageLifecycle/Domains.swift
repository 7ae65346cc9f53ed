// SPDX-License-Identifier: MIT

/// A set of domains, one bit each: what a protocol models, or a program is booted with.
package struct DomainSet: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  private init(_ domain: Domain) { rawValue = 1 << domain.rawValue }

  /// Address spaces and references of pages.
  package static let memory = Self(.memory)
  /// Files on an FS_DAX device.
  package static let fsdax = Self(.fsdax)
  /// Devices with pages of their own.
  package static let device = Self(.device)
  /// Blocks of the page allocator.
  package static let buddy = Self(.buddy)
  /// Page tables of an IOMMU.
  package static let iommu = Self(.iommu)
  /// LRU lists and what shares their words.
  package static let lru = Self(.lru)
  /// Files that share blocks.
  package static let reflink = Self(.reflink)
  /// What protocols of one mechanism are about.
  static let mechanisms: Self = [.buddy, .iommu, .lru]
  /// What every released kernel's protocol models.
  package static let kernel: Self = [.memory, .fsdax, .device]
  /// Every domain there is.
  package static let all = Self(Domain.allCases)

  /// The set of some domains.
  package init(_ domains: [Domain]) {
    self = domains.reduce(Self()) { $0.union(Self($1)) }
  }
}

extension Boot {
  /// ``domains`` as a set.
  package var domainSet: DomainSet { DomainSet(domains) }
}

extension Protocol {
  /// What it models is a kernel with files and devices, not one mechanism alone.
  package var isOfKernel: Bool { design.domains.isSuperset(of: .kernel) }
}

extension Signature {
  /// The protocols that have the operation are those with one of these domains.
  package var enabledBy: DomainSet { otherDomains.union(DomainSet([domain])) }
}

extension Procedure {
  /// Whether programs of a protocol with these domains may call it.
  package func isEnabled(in domains: DomainSet) -> Bool {
    signature.map { !$0.enabledBy.isDisjoint(with: domains) } ?? false
  }
}

/**
 * Findings for people: each with its fix below it. Pure.
 */

import type { Finding } from '../../admin/index.ts'

export function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing is wrong\n'
  return findings
    .toSorted((left, right) => rank(left) - rank(right))
    .map(
      ({ severity, subject, rule, problem, fix }) =>
        `${severity.toUpperCase()}  ${subject}: ${problem}  [${rule}]\n      fix: ${fix}\n`,
    )
    .join('')
}

function rank({ severity }: Finding): number {
  return severity === 'warn' ? 0 : 1
}

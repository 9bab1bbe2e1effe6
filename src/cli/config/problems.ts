/**
 * Everything that is wrong with a configuration, in one error: a line each, with its name as the user wrote it, what is
 * wrong, and where it stands. Pure.
 */

import { ShoalError } from '../../core/index.ts'

export interface ConfigProblem {
  /** A variable, a path in the file, or a flag. */
  readonly name: string
  readonly problem: string
  /** `.env:5`, `shoal.yaml:12`, `environment`; empty for what stands nowhere. */
  readonly where: string
}

/** @param sources what was read: `shoal.yaml`, `.env`, `environment` */
export function configProblemsError(
  problems: readonly ConfigProblem[],
  sources: readonly string[],
): ShoalError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const nameWidth = Math.max(...problems.map(({ name }) => name.length))
  const problemWidth = Math.max(...problems.map(({ problem }) => problem.length))
  const lines = problems.map(({ name, problem, where }) =>
    `  ${name.padEnd(nameWidth)}  ${problem.padEnd(problemWidth)}  ${where}`.trimEnd(),
  )
  return new ShoalError(
    'SHOAL_CONFIG_INVALID',
    `✖ ${count} in configuration (${sources.join(', ')})\n${lines.join('\n')}`,
  )
}

import { COMMANDS, type CommandSpec } from './commands.js';

/*
 * kubectl (1.26 or newer) asks a program kubectl_complete-kayal for what may follow; these scripts are for shells in which the
 * plugin is called by its own name, kubectl-kayal, and for that program.
 */

function words(): { readonly top: readonly string[]; readonly pool: readonly string[] } {
  const all = Object.values(COMMANDS).map((spec: CommandSpec) => spec.words);
  const second = all.flatMap(([first, next]) => (first === 'pool' && next !== undefined ? [next] : []));
  return { top: [...new Set(all.map(([first = '']) => first))], pool: second };
}

function flagCases(): string {
  return Object.values(COMMANDS)
    .map((spec: CommandSpec) => {
      const flags = [...Object.keys(spec.flags), 'help'].map((name) => `--${name}`).join(' ');
      return `    '${spec.words.join(' ')}') flags='${flags}' ;;`;
    })
    .join('\n');
}

/** A script for bash; zsh reads it with bashcompinit. */
function bash(): string {
  const { top, pool } = words();
  return `# kubectl kayal completion bash
_kubectl_kayal() {
  local current=\${COMP_WORDS[COMP_CWORD]} first=\${COMP_WORDS[1]} second=\${COMP_WORDS[2]} flags=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${top.join(' ')}' -- "$current"))
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ "$first" = pool ]; then
    COMPREPLY=($(compgen -W '${pool.join(' ')}' -- "$current"))
    return
  fi
  case "$first\${second:+ $second}" in
${flagCases()}
  esac
  if [ "\${current#-}" = "$current" ] && [ "$first" = pool ] && [ "$COMP_CWORD" -eq 3 ] && [ "$second" != add ]; then
    COMPREPLY=($(compgen -W "$(kubectl get storagepools -o 'jsonpath={.items[*].metadata.name}' 2> /dev/null)" -- "$current"))
    return
  fi
  COMPREPLY=($(compgen -W "$flags" -- "$current"))
}
complete -F _kubectl_kayal kubectl-kayal
`;
}

/** @returns undefined for a shell that is not known */
export function completionFor(shell: string): string | undefined {
  if (shell === 'bash') return bash();
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bash()}`;
  return undefined;
}

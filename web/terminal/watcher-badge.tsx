import { Label } from '@patternfly/react-core'
import { EyeIcon } from '@patternfly/react-icons'
import { visible } from '../parts/wording.ts'

/** Who watches this session now, for as long as they do. */
export function WatcherBadge({ names }: { readonly names: readonly string[] }) {
  return (
    <span role="status" data-testid="watched-by">
      {names.length === 0 ? null : (
        <Label color="orange" isCompact icon={<EyeIcon />}>
          watched by {names.map(visible).join(', ')}
        </Label>
      )}
    </span>
  )
}

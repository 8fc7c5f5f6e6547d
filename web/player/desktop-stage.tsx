import { desktopStaging } from './desktop-staging.tsx'
import { asGuac } from './guac.ts'
import type { Notes } from './notes.tsx'
import type { Opened } from './opened.ts'
import { SaveCopy } from './save-copy.tsx'
import { Stage, type Staging } from './stage.tsx'
import { asVideo } from './video.ts'

const desktops: Staging = {
  ...desktopStaging,
  beside: (opened) => (
    <>
      <SaveCopy opened={opened} form={asVideo} />
      <SaveCopy opened={opened} form={asGuac} />
    </>
  ),
}

/** The desktop of a recording, its controls, the time line and the marks. */
export default function DesktopStage(props: {
  readonly opened: Opened
  readonly isLive: boolean
  readonly notes: Notes
}) {
  return <Stage {...props} staging={desktops} />
}

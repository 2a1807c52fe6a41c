import { expect } from "vitest";
import type { Result, TestStack } from "../../support/stack.js";

/** What a stack should go through. */
export interface Life {
  /** What was asked of the cloud, but for what only looks. */
  asked: string[];
  /** The types of the cloud's resources that the program has, one for each. */
  types: string[];
  /** Those that another image does not replace. */
  lasting?: string[];
  /** Changes the application. */
  change: () => void;
  /** Sees that the cloud has what the stack has, and no more, after the change. */
  expectNoLeftovers: () => void;
  /** Sees that the cloud has nothing after the end. */
  expectNothing: () => void;
}

/** A stack's life, from its preview to its end; where nothing has changed, nothing happens. */
export async function live(stack: TestStack, life: Life): Promise<void> {
  const { asked, types, lasting = [] } = life;
  await stack.preview();
  expect(asked, "a preview changes nothing").toEqual([]);

  const created = await stack.up();
  expect(steps(created, "create")).toEqual([...types].sort());
  await expectNothingToDo(stack, asked);
  await stack.refresh();
  await expectNothingToDo(stack, asked);

  life.change();
  const replaced = types.filter((type) => !lasting.includes(type)).sort();
  expect(steps(await stack.preview(), "create-replacement")).toEqual(replaced);
  const changed = await stack.up();
  expect(steps(changed, "create-replacement")).toEqual(replaced);
  expect(steps(changed, "delete-replaced")).toEqual(replaced);
  expect(steps(changed, "update")).toEqual([]);
  life.expectNoLeftovers();
  await expectNothingToDo(stack, asked);

  await stack.destroy();
  life.expectNothing();
}

async function expectNothingToDo(stack: TestStack, asked: string[]): Promise<void> {
  asked.length = 0;
  expect((await stack.preview()).steps).toEqual([]);
  expect((await stack.up()).steps).toEqual([]);
  expect(asked).toEqual([]);
}

/** The types of the cloud's resources that this was done to. */
function steps({ steps }: Result, operation: string): string[] {
  return steps
    .filter((step) => step.startsWith(`${operation} `))
    .map((step) => step.slice(operation.length + 1))
    .filter((type) => /^(aws|gcp):/.test(type))
    .sort();
}

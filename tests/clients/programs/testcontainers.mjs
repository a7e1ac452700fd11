// What the first test with an image does that this machine does not have: pull IMAGE.
import { getContainerRuntimeClient, ImageName } from "testcontainers";

const image = ImageName.fromString(process.argv[2]);
const client = await getContainerRuntimeClient();
await client.image.pull(image, { force: true });
await client.container.dockerode.getImage(image.string).remove();

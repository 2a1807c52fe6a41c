/** A role to take on with the credentials that there are, before anything is uploaded. */
export interface AssumedRole {
  /** ARN of the role. */
  roleArn: string;
  /** What the role's owner asks for to let others in. */
  externalId?: string;
  /** Name of the session in AWS's logs. Default: `pulumi-unikernel`. */
  sessionName?: string;
}

/** URLs to use in the place of AWS's own. */
export interface ServiceEndpoints {
  ebs?: string;
  ec2?: string;
  s3?: string;
  sts?: string;
}
